"""The published layouts of data sets, made small: `make_<name>(root)` writes the files of every split."""
