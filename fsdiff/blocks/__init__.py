"""Blocks of configuration: their types, made from classes, and what is wrong with one in words."""
