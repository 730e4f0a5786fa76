"""Declared graphs: built from tasks and what they take, and carried out."""
