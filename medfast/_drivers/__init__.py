"""Between a public function and its kernels: tables, buffers and tiles. Arguments were checked by the caller."""
