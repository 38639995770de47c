"""Convolution on curved surfaces."""
