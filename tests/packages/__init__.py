"""anthrofs as its users install it, and what comes with it: needs what scripts/install packages installs."""
