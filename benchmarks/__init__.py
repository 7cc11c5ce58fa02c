"""What things cost: `python -m benchmarks`, or `make bench`.

Numbers of one machine say little on another; ratios within one run say more. So each benchmark
measures two sizes, or the start and the end of one run, and tells the ratio.
"""
