"""Numbers in; HTML, Plotly figures or payloads out. Pure functions that know neither Gradio nor torch."""
