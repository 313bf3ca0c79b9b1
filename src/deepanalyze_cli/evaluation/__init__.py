"""Measuring: a way of solving, a model and a suite of questions -> predictions, traces and one table.

attempts   what one try at one question came to, and how it is kept
ours       the product's own way: workspace, kernel, `agent.solve`
measure    every question once, resumable
results    accuracy with its interval, time and tokens; the table
"""
