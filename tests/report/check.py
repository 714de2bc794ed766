"""Opens pages in headless Chromium and looks at them.

    python3 check.py BROWSER FOLDER-OF-SCREENSHOTS PAGE=FIGURES ...

Fails on: a word on the console, a request for anything but the page itself (data: addresses are no requests), a number of
figures other than FIGURES, a figure or image that is not drawn, text that overlaps text or leaves its picture, text whose contrast with
the ground is below 4.5. Talks to the browser through a pipe, by the protocol of its developer tools.
"""

import base64
import fcntl
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile

FLAGS = """--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking
--disable-component-update --disable-sync --disable-extensions --disable-dev-shm-usage --hide-scrollbars
--remote-debugging-pipe""".split()

LOOK = r"""(() => {
  const size = e => { const r = e.getBoundingClientRect(); return [r.width, r.height]; };
  const wrong = [];
  document.querySelectorAll('figure').forEach((figure, i) => {
    const svg = figure.querySelector('svg');
    const [w, h] = svg ? size(svg) : [0, 0];
    if (w < 100 || h < 50) wrong.push(`figure ${i}: ${w} x ${h}`);
    if (svg && svg.querySelectorAll('*').length < 5) wrong.push(`figure ${i}: empty`);
    svg.querySelectorAll('image').forEach(image => {
      const [w, h] = size(image);
      if (w < 10 || h < 10) wrong.push(`figure ${i}: image of ${w} x ${h}`);
    });
    const frame = svg.getBoundingClientRect();
    const texts = [...svg.querySelectorAll('text')].map(t => [t.textContent.trim(), t.getBoundingClientRect()]);
    texts.forEach(([text, a], k) => {
      if (a.left < frame.left - 1 || a.right > frame.right + 1 || a.top < frame.top - 1 || a.bottom > frame.bottom + 1)
        wrong.push(`figure ${i}: "${text}" leaves the picture`);
      // Boxes of lines are higher than their letters.
      const tight = r => ({l: r.left, r: r.right, t: r.top + 0.2 * r.height, b: r.bottom - 0.2 * r.height});
      texts.slice(k + 1).forEach(([other, b]) => {
        const [p, q] = [tight(a), tight(b)];
        if (p.l < q.r - 1 && q.l < p.r - 1 && p.t < q.b - 1 && q.t < p.b - 1)
          wrong.push(`figure ${i}: "${text}" overlaps "${other}"`);
      });
    });
  });
  const rgb = c => c.match(/[\d.]+/g).map(Number);
  const light = c => { const [r, g, b] = rgb(c).map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const ground = e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor;
    if (rgb(c)[3] !== 0) return c; } return 'rgb(255, 255, 255)'; };
  document.querySelectorAll('h1,h2,h3,p,a,dt,dd,small,td,th,caption,figcaption,pre,svg text').forEach(e => {
    const style = getComputedStyle(e);
    const [a, b] = [light(e.tagName === 'text' ? style.fill : style.color), light(ground(e.closest('svg') || e))].sort((a, b) => b - a);
    if ((a + 0.05) / (b + 0.05) < 4.5) wrong.push(`contrast of <${e.tagName}> ${e.textContent.slice(0, 30)}`);
  });
  if (document.documentElement.scrollWidth > innerWidth + 1) wrong.push('the page is wider than the window');
  const images = [...document.querySelectorAll('svg image')].map(e => e.getAttribute('href'));
  return Promise.all(images.map(href => { const i = new Image(); i.src = href;
    return i.decode().then(() => i.naturalWidth > 1 || wrong.push('an image without pixels'), () => wrong.push('an image that cannot be decoded')); }))
    .then(() => ({figures: document.querySelectorAll('figure').length, wrong: [...new Set(wrong)],
                  height: document.documentElement.scrollHeight}));
})()"""


class Browser:
    """A browser behind a pipe."""

    def __init__(self, program):
        self.profile = tempfile.mkdtemp()
        (their_in, self.out), (self.into, their_out) = os.pipe(), os.pipe()
        ends = [fcntl.fcntl(end, fcntl.F_DUPFD, 20) for end in (their_in, their_out)]
        command = [program, *FLAGS, f"--user-data-dir={self.profile}", "about:blank"]
        # The browser reads from 3 and writes to 4.
        place = lambda: [os.dup2(end, fd) for fd, end in zip((3, 4), ends)]
        self.process = subprocess.Popen(
            command, preexec_fn=place, close_fds=False, stderr=subprocess.DEVNULL, start_new_session=True
        )
        for end in (their_in, their_out, *ends):
            os.close(end)
        self.number, self.rest, self.events, self.session = 0, b"", [], None

    def message(self):
        while b"\0" not in self.rest:
            part = os.read(self.into, 1 << 20)
            if not part:
                raise SystemExit("test-report: the browser ended")
            self.rest += part
        text, self.rest = self.rest.split(b"\0", 1)
        return json.loads(text)

    def call(self, method, **parameters):
        self.number += 1
        request = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            request["sessionId"] = self.session
        left = json.dumps(request).encode() + b"\0"
        while left:
            left = left[os.write(self.out, left) :]
        while True:
            answer = self.message()
            if answer.get("id") == self.number:
                if "error" in answer:
                    raise SystemExit(f"test-report: {method}: {answer['error']}")
                return answer["result"]
            self.events.append(answer)

    def until(self, method):
        while not any(e.get("method") == method for e in self.events):
            self.events.append(self.message())

    def open(self, page):
        """A new tab with the page, loaded."""
        self.session = None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        self.call("Emulation.setDeviceMetricsOverride", width=1200, height=900, deviceScaleFactor=1, mobile=False)
        self.events.clear()
        self.call("Page.navigate", url=page.as_uri())
        self.until("Page.loadEventFired")

    def scheme(self, scheme, width=1200, height=900):
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.call("Emulation.setEmulatedMedia", media="", features=features)
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def look(self):
        answer = self.call("Runtime.evaluate", expression=LOOK, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in answer:
            raise SystemExit(f"test-report: {answer['exceptionDetails']}")
        return answer["result"]["value"]

    def told(self, page):
        """Words on the console, and requests for anything else."""
        found = []
        for event in self.events:
            method, p = event.get("method"), event.get("params", {})
            if method in ("Runtime.consoleAPICalled", "Runtime.exceptionThrown"):
                found.append(f"console: {json.dumps(p)[:200]}")
            elif method == "Log.entryAdded":
                found.append(f"console: {p['entry']['text']}")
            elif method == "Network.requestWillBeSent" and not p["request"]["url"].startswith("data:"):
                if p["request"]["url"] != page.as_uri():
                    found.append(f"request: {p['request']['url']}")
        return found

    def close(self):
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        shutil.rmtree(self.profile, ignore_errors=True)


def check(browser, page, figures, shots):
    """What is wrong with a page."""
    browser.open(page)
    wrong = []
    for scheme, width in (("light", 1200), ("dark", 1200), ("light", 420)):
        browser.scheme(scheme, width)
        seen = browser.look()
        wrong += [f"{scheme}, {width} px: {w}" for w in seen["wrong"]]
        if seen["figures"] != figures:
            wrong.append(f"{seen['figures']} figures instead of {figures}")
        if shots:
            browser.scheme(scheme, width, min(seen["height"], 16000))
            picture = browser.call("Page.captureScreenshot", format="png")["data"]
            name = f"{page.stem}-{scheme}-{width}.png"
            (shots / name).write_bytes(base64.b64decode(picture))
    if shots:
        browser.scheme("dark")
        printed = browser.call("Page.printToPDF", printBackground=True, preferCSSPageSize=True)["data"]
        (shots / f"{page.stem}.pdf").write_bytes(base64.b64decode(printed))
    return sorted(set(wrong)) + browser.told(page)


def controls(browser, folder):
    """Pages that must fail, each for its reason."""
    svg = '<figure><svg width="300" height="100" viewBox="0 0 300 100">%s</svg></figure>'
    lines = "".join(f'<line x1="0" y1="0" x2="9" y2="{i}"/>' for i in range(7))
    text = '<text x="%d" y="50">text</text>'
    cases = {
        "console": ("<script>console.warn('x')</script>", 0),
        "request": ('<img src="http://127.0.0.1:9/x.png" alt="x"/>', 0),
        "figures": ("", 1),
        "empty": (svg % "", 1),
        "overlaps": (svg % (lines + text % 50 + text % 60), 1),
        "leaves": (svg % (lines + text % 290), 1),
        "contrast": ('<p style="color:#999">text</p>', 0),
        "decoded": (svg % (lines + '<image width="50" height="50" href="data:image/png;base64,AAAA"/>'), 1),
    }
    for word, (body, figures) in cases.items():
        page = folder / "control.html"
        page.write_text(f'<!DOCTYPE html><html lang="en"><title>t</title><body style="background:#fff">{body}</body></html>')
        wrong = check(browser, page, figures, None)
        if not any(word in w for w in wrong):
            raise SystemExit(f"test-report: the check of `{word}` cannot fail: {wrong}")


def main():
    program, shots, *pages = sys.argv[1:]
    shots = pathlib.Path(shots).resolve()
    shots.mkdir(parents=True, exist_ok=True)
    browser, failed = Browser(program), False
    with tempfile.TemporaryDirectory() as folder:
        try:
            controls(browser, pathlib.Path(folder))
            for entry in pages:
                name, figures = entry.split("=")
                page = pathlib.Path(name).resolve()
                wrong = check(browser, page, int(figures), shots)
                size = page.stat().st_size / 1e6
                if size > 5:
                    wrong.append(f"{size:.1f} MB")
                print(f"{name}: {figures} figures, {size:.2f} MB, {'ok' if not wrong else 'wrong'}")
                for line in wrong:
                    print("  ", line)
                failed |= bool(wrong)
        finally:
            browser.close()
    print(f"screenshots: {shots}")
    sys.exit(failed)


main()
