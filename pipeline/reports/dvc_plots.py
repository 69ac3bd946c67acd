"""The page that ``dvc plots`` fills in. It contains the scripts that DVC would load, so that plots need no network."""

import subprocess
import sys
from pathlib import Path

from pipeline import atomic, layout
from pipeline.errors import exit_on_error

# DVC's configuration names it relative to DVC's folder. Git ignores the file, which belongs to the environment.
TEMPLATE = Path(".dvc/plots.html")
# DVC writes specifications of this version.
VEGA_LITE = "5.21"
PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
{refresh_tag}
<title>DVC plots</title>
<style>body { font-family: sans-serif; background: #fff; } body > div { display: inline-block; margin: 1rem; }</style>
<script>
(() => {
BUNDLE
})();
</script>
</head>
<body>
{plot_divs}
</body>
</html>
"""


def main() -> None:
    """Write the page and tell DVC of it, in this checkout alone. Raises PipelineError."""
    import vl_convert

    layout.require_root()
    bundle = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed", vl_version=VEGA_LITE)
    atomic.write_text(TEMPLATE, PAGE.replace("BUNDLE", bundle.replace("</script", r"<\/script")))
    settings = ["config", "--local", "plots.html_template", TEMPLATE.name]
    subprocess.run([sys.executable, "-m", "dvc", *settings], check=True)


if __name__ == "__main__":
    with exit_on_error():
        main()
