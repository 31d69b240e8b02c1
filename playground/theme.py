"""Gradio's own components in the page's looks; everything else is `static/lineage.css`.

Colours are CSS variables of the stylesheet, so that light and dark are decided in one place. Only system fonts.
"""

import gradio as gr

SANS = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "Noto Sans", "PingFang SC", "Microsoft YaHei"]
SANS += ["Noto Sans CJK SC", "sans-serif"]
MONO = ["ui-monospace", "SFMono-Regular", "Consolas", "DejaVu Sans Mono", "monospace"]


def theme() -> gr.themes.Base:
    """The theme for `launch(theme=…)`."""
    looks = {
        "body_background_fill": "var(--paper)",
        "body_text_color": "var(--ink)",
        "body_text_color_subdued": "var(--ink-soft)",
        "background_fill_primary": "var(--paper)",
        "background_fill_secondary": "var(--paper-sunk)",
        "block_background_fill": "transparent",
        "block_border_width": "0px",
        "block_label_background_fill": "transparent",
        "block_label_border_width": "0px",
        "block_label_text_color": "var(--ink-soft)",
        "block_label_padding": "0px",
        "block_padding": "0px",
        "block_shadow": "none",
        "block_title_text_color": "var(--ink)",
        "block_title_text_weight": "500",
        "block_info_text_color": "var(--ink-soft)",
        "border_color_primary": "var(--rule)",
        "border_color_accent": "var(--accent)",
        "color_accent": "var(--accent)",
        "color_accent_soft": "var(--accent-soft)",
        "link_text_color": "var(--accent)",
        "link_text_color_hover": "var(--accent-strong)",
        "link_text_color_active": "var(--accent-strong)",
        "link_text_color_visited": "var(--accent)",
        "loader_color": "var(--accent)",
        "slider_color": "var(--accent)",
        "panel_background_fill": "transparent",
        "panel_border_width": "0px",
        "input_background_fill": "var(--paper-raised)",
        "input_background_fill_focus": "var(--paper-raised)",
        "input_border_color": "var(--rule-strong)",
        "input_border_color_focus": "var(--accent)",
        "input_border_width": "1px",
        "input_placeholder_color": "var(--ink-soft)",
        "input_shadow": "none",
        "input_shadow_focus": "none",
        "button_primary_background_fill": "var(--accent)",
        "button_primary_background_fill_hover": "var(--accent-strong)",
        "button_primary_border_color": "var(--accent)",
        "button_primary_text_color": "var(--on-accent)",
        "button_primary_shadow": "none",
        "button_secondary_background_fill": "var(--paper-raised)",
        "button_secondary_background_fill_hover": "var(--accent-soft)",
        "button_secondary_border_color": "var(--rule-strong)",
        "button_secondary_text_color": "var(--accent)",
        "button_secondary_shadow": "none",
        "button_border_width": "1px",
        "button_large_text_size": "*text_md",
        "button_large_text_weight": "600",
        "button_large_padding": "8px 16px",
        "button_small_text_size": "*text_sm",
        "button_small_text_weight": "500",
        "checkbox_background_color": "var(--paper-raised)",
        "checkbox_background_color_selected": "var(--accent)",
        "checkbox_border_color": "var(--rule-strong)",
        "checkbox_border_color_selected": "var(--accent)",
        "checkbox_label_background_fill": "var(--paper-raised)",
        "checkbox_label_background_fill_selected": "var(--accent-soft)",
        "checkbox_label_border_color": "var(--rule-strong)",
        "checkbox_label_text_color": "var(--ink)",
        "checkbox_label_text_color_selected": "var(--ink)",
        "table_border_color": "var(--rule)",
        "table_even_background_fill": "var(--paper)",
        "table_odd_background_fill": "var(--paper)",
        "table_text_color": "var(--ink)",
    }
    base = gr.themes.Base(
        font=SANS,
        font_mono=MONO,
        text_size=gr.themes.sizes.text_lg,
        spacing_size=gr.themes.sizes.spacing_md,
        radius_size=gr.themes.sizes.radius_sm,
    )
    dark = {f"{name}_dark": value for name, value in looks.items() if hasattr(base, f"{name}_dark")}
    return base.set(**looks, **dark)
