"""What an interferogram of a volcano consists of: ground displacement, atmosphere, radar, noise."""
