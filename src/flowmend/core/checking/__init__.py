"""core.checking"""
