#!/usr/bin/env python3
"""Opens a page in headless Chromium and says what is wrong with it: python3 check_page.py FILE WIDTH

A fault is an error or a warning in the console, a request for anything but FILE, a dialogue, or a document that is
wider than the window, as it is loaded or with every <details> open. Exit status 0 for none, 1 for a fault, 2 if the
page could not be looked at. Nothing but the standard library: Chromium is spoken to over a pipe (DevTools protocol).
"""

import fcntl
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SECONDS = 60

# How wide the document is, and what sticks out of it.
MEASURE = """(() => {
  const width = document.documentElement.scrollWidth;
  const out = [...document.body.querySelectorAll('*')]
    .filter(e => e.getBoundingClientRect().right > innerWidth + 0.5 && !e.closest('.scrolling *'))
    .map(e => e.tagName.toLowerCase() + (e.className && e.className.trim ? '.' + e.className.trim().replace(/ /g, '.') : ''));
  return {width, window: innerWidth, height: document.documentElement.scrollHeight,
          letters: document.body.innerText.trim().length, out: [...new Set(out)].slice(0, 5)};
})()"""
OPEN = "document.querySelectorAll('details').forEach(e => { e.open = true })"


class CannotLook(Exception):
    """The page could not be looked at, which says nothing about it."""


class Browser:
    """A Chromium with a profile of its own, gone when the block ends."""

    def __enter__(self):
        program = shutil.which("chromium")
        if not program:
            raise CannotLook("no chromium: run `make bootstrap`")
        self.profile = tempfile.TemporaryDirectory(prefix="check-page-", ignore_cleanup_errors=True)
        # Chromium reads commands from descriptor 3 and writes answers to 4. High numbers first: ours may be 3 and 4.
        ends = os.pipe() + os.pipe()
        read, self.write, self.read, write = (fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 16) for end in ends)
        for end in ends:
            os.close(end)

        def arrange():
            os.dup2(read, 3)
            os.dup2(write, 4)

        options = ["--headless", "--remote-debugging-pipe", f"--user-data-dir={self.profile.name}", "--no-first-run",
                   "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-gpu",
                   "--disable-dev-shm-usage", "--hide-scrollbars"]
        if os.geteuid() == 0:
            options.append("--no-sandbox")  # Chromium's sandbox refuses root.
        self.process = subprocess.Popen(
            [program, *options, "about:blank"], pass_fds=(3, 4), preexec_fn=arrange, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(read)
        os.close(write)
        self.deadline = time.monotonic() + SECONDS
        self.sent, self.buffer, self.events = 0, b"", []
        return self

    def __exit__(self, *_):
        try:
            os.write(self.write, json.dumps({"id": 0, "method": "Browser.close"}).encode() + b"\0")
            self.process.wait(10)
        except BrokenPipeError:
            self.process.wait()
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, 9)
            self.process.wait()
        os.close(self.write)
        os.close(self.read)
        self.profile.cleanup()

    def message(self):
        while b"\0" not in self.buffer:
            left = self.deadline - time.monotonic()
            if left <= 0 or not select.select([self.read], [], [], left)[0]:
                raise CannotLook(f"no answer from chromium within {SECONDS} s")
            more = os.read(self.read, 1 << 20)
            if not more:
                raise CannotLook("chromium ended by itself")
            self.buffer += more
        text, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(text)

    def call(self, method, session=None, **parameters):
        self.sent += 1
        command = {"id": self.sent, "method": method, "params": parameters}
        if session:
            command["sessionId"] = session
        data = json.dumps(command).encode() + b"\0"
        while data:
            data = data[os.write(self.write, data):]
        while True:
            message = self.message()
            if message.get("id") == self.sent:
                if "error" in message:
                    raise CannotLook(f"{method}: {message['error']['message']}")
                return message["result"]
            self.note(message, session)

    def note(self, message, session):
        self.events.append(message)
        # An open dialogue would stop everything else.
        if message.get("method") == "Page.javascriptDialogOpening":
            self.sent += 1
            answer = {"id": self.sent, "method": "Page.handleJavaScriptDialog", "params": {"accept": False}}
            os.write(self.write, json.dumps({**answer, "sessionId": session}).encode() + b"\0")
            self.sent += 1

    def wait(self, method, session):
        while not any(event.get("method") == method for event in self.events):
            self.note(self.message(), session)

    def evaluate(self, expression, session):
        reply = self.call("Runtime.evaluate", session, expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in reply:
            raise CannotLook(f"measuring failed: {reply['exceptionDetails'].get('text')}")
        return reply["result"].get("value")

    def open(self, address, width):
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable", session)
        self.call("Emulation.setDeviceMetricsOverride", session, width=width, height=900, deviceScaleFactor=1,
                  mobile=False)
        self.events.clear()
        failure = self.call("Page.navigate", session, url=address).get("errorText")
        if failure:
            raise CannotLook(f"{address}: {failure}")
        self.wait("Page.loadEventFired", session)
        return session

    def settle(self, session):
        """Lets the page draw twice, and what it set going come to its end."""
        self.evaluate("new Promise(done => setTimeout(() => requestAnimationFrame(() => done()), 200))", session)


def faults(events, address):
    """What the events of a page complain about, and how many requests and messages there were."""
    found, requests, messages = [], 0, 0
    for event in events:
        method, parameters = event.get("method"), event.get("params", {})
        if method == "Network.requestWillBeSent":
            requests += 1
            if parameters["request"]["url"] != address:
                found.append(f"request for {parameters['request']['url'][:200]}")
        elif method == "Log.entryAdded":
            messages += 1
            if parameters["entry"]["level"] in ("error", "warning"):
                found.append(f"console {parameters['entry']['level']}: {parameters['entry']['text'][:300]}")
        elif method == "Runtime.consoleAPICalled":
            messages += 1
            if parameters["type"] in ("error", "warning", "assert"):
                said = " ".join(str(argument.get("value", "")) for argument in parameters["args"])
                found.append(f"console {parameters['type']}: {said[:300]}")
        elif method == "Runtime.exceptionThrown":
            details = parameters["exceptionDetails"]
            found.append(f"exception: {details.get('exception', {}).get('description', details['text'])[:300]}")
        elif method == "Page.javascriptDialogOpening":
            found.append(f"dialogue: {parameters['message'][:100]}")
    return found, requests, messages


def check(path, width):
    address = path.resolve().as_uri()
    with Browser() as browser:
        session = browser.open(address, width)
        browser.settle(session)
        sizes = {"loaded": browser.evaluate(MEASURE, session)}
        browser.evaluate(OPEN, session)
        browser.settle(session)
        sizes["opened"] = browser.evaluate(MEASURE, session)
        found, requests, messages = faults(browser.events, address)
    for state, size in sizes.items():
        if size["window"] != width:
            raise CannotLook(f"the window is {size['window']} wide instead of {width}")
        if size["width"] > width:
            found.append(f"{state}, the document is {size['width']} wide: {', '.join(size['out']) or 'its own box'}")
    if sizes["loaded"]["letters"] == 0:
        found.append("the page is empty")
    measured = ", ".join(f"{size['width']} x {size['height']} {state}" for state, size in sizes.items())
    print(f"{path.name} at {width}: {measured}; {requests} request(s), {messages} console message(s)")
    for fault in found:
        print(f"fault: {fault}")
    return 1 if found else 0


def main(arguments):
    if len(arguments) != 2 or not arguments[1].isdigit() or not 100 <= int(arguments[1]) <= 10_000:
        print("usage: check_page.py FILE WIDTH", file=sys.stderr)
        return 2
    path = Path(arguments[0])
    if not path.is_file():
        print(f"no file {path}", file=sys.stderr)
        return 2
    try:
        return check(path, int(arguments[1]))
    except CannotLook as failure:
        print(f"cannot look at {path.name}: {failure}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
