"""core.connector"""
