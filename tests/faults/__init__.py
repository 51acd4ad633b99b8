"""Faults, each injected into the product, and what a reader must see of it.

A fault is a function with the decorator `fault`: it is given a `Place`, brings the fault about, and
returns what was `Seen`. `test_faults.py` holds each to its sentence; `README.md` shows them all.
"""
