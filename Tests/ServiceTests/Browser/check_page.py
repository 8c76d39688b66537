"""Looks at a page in headless Chromium: python3 check_page.py PAGE.html WIDTH

Ends with 1 and a reason if the page says anything on the console (a load that its policy refuses is said there too), or is wider
than a window of that width. Needs Debian's chromium and nothing else; no name resolves while it runs.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

FRAME = """<!DOCTYPE html><meta charset="utf-8"><style>body{{margin:0}}iframe{{border:0;width:{width}px;height:900px}}</style>
<iframe src="{page}"></iframe><pre id="out"></pre><script>
document.querySelector("iframe").onload = (event) => {{
  const root = event.target.contentDocument.documentElement;
  document.getElementById("out").textContent =
    `width ${{root.scrollWidth}} height ${{root.scrollHeight}} words ${{root.innerText.length}} end`;
}};
</script>"""


def main(page, width):
    page, width = Path(page).resolve(), int(width)
    with tempfile.TemporaryDirectory() as folder:
        frame = Path(folder) / "frame.html"
        frame.write_text(FRAME.format(page=page.as_uri(), width=width), encoding="utf-8")
        run = subprocess.run(
            ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
             "--allow-file-access-from-files", "--enable-logging=stderr", "--host-resolver-rules=MAP * ~NOTFOUND",
             f"--user-data-dir={folder}/profile", f"--window-size={max(width, 500)},900", "--virtual-time-budget=3000",
             "--dump-dom", frame.as_uri()],
            capture_output=True, text=True, timeout=120, check=False)
    console = [line for line in run.stderr.splitlines() if "CONSOLE" in line]
    if console:
        raise SystemExit("the console says: " + "; ".join(console))
    measured = re.search(r"width (\d+) height (\d+) words (\d+) end", run.stdout)
    if run.returncode != 0 or not measured:
        raise SystemExit(f"chromium did not show the page ({run.returncode}): {run.stderr[-500:]}")
    found, height, words = map(int, measured.groups())
    if found > width:
        raise SystemExit(f"the page is {found} wide in a window of {width}")
    if words < 50:
        raise SystemExit(f"the page has {words} characters: nothing is on it")
    print(f"{page.name}: {found} of {width} wide, {height} high, {words} characters")


main(*sys.argv[1:])
