"""Flowmend runs Power Automate and Logic Apps flows, and mends them."""
