"""core.expression"""
