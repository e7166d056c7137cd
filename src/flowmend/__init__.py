"""Flowmend runs Power Automate and Logic Apps flows, and mends them."""

__version__ = "0.1.0"
