"""The Anthropic Files API mounted as a directory."""
