"""The peers' signatures over the kernels of medfast: one module per peer."""
