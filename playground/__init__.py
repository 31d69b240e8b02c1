"""The web playground: everything that knows Gradio. `shell.build_app()` assembles it from the tabs."""
