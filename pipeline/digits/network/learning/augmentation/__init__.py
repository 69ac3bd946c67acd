"""Digits as other hands, pens and scanners would have given them, drawn for training. Pure, and given by a seed."""
