"""Hours of mixed work on a real mount, and big loads: what grows, and what doesn't come back."""
