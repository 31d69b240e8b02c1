"""The tabs: one file each, its layout and its handlers. A tab never imports another tab."""
