"""core.connection"""
