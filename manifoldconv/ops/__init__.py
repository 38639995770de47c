"""The hot sparse operators."""
