"""The threats that the manual's page `security` lists: an attacker each, played by a test."""
