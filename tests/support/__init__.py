"""What tests of several packages share: simulated servers, a browser, Prometheus, word lists."""
