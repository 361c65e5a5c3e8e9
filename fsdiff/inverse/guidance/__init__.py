"""Guidance: a denoiser and an observation make a denoiser whose samples agree with the data.

If X_0 given X_t = x is taken for N(x̂_0, V), its mean given the data y = H X_0 + ε as well is

    x̂_0ʸ = x̂_0 + V H*(Γ + H V H*)⁻¹(y − H x̂_0).

Every sampler runs unchanged on that estimate, whose score is S + (m/r²)(x̂_0ʸ − x̂_0). Kinds of
guidance differ in what they take for V; the true covariance is (r²/m) J Q with J = ∂x̂_0/∂x.
"""
