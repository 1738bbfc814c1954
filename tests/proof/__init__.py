"""The one table of long runs, so that they add up."""
