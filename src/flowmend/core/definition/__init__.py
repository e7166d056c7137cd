"""core.definition"""
