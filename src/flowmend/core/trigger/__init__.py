"""core.trigger"""
