"""Outputs on other machines: sent whole beside their place, then renamed into it."""
