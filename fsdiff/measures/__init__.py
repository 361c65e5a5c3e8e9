"""Laws of random functions: Gaussian measures, what is made of them, laws of points."""
