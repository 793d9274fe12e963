"""Drawings and tables that several chapters and notebooks share; nothing else imports this room.

A drawing is made on matplotlib axes that the caller made, in colours of the running style (C0 to
C5), for a white page: the book's pages turn the lightness round in the dark. What the figure shows
is said by the cell that draws it, in its alternative text.
"""
