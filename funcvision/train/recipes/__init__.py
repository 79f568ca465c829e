"""Recipes: one module each, with a class `Recipe` and with cost and result in its docstring."""

__all__ = []
