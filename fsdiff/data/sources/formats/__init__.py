"""The formats of files whose arrays can be read, a module for each."""
