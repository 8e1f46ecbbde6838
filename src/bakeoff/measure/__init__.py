"""From timings to latency, TTFT, TPOT, throughput, memory."""
