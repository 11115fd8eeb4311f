"""Autobahn's WebSocket cases against a server: `python wstest.py ws://127.0.0.1:PORT/echo "1.*,2.*" report.json`.

The package autobahntestsuite (Apache 2.0) is Python 2 source. A byte string of Python 2 is modelled as a text with
code points below 256, so each source is read as latin-1, refactored in memory by lib2to3 (in Python up to 3.12), and
bytes are converted only where the cases touch the protocol. Nothing of the package is copied here.
Exit status 1 if a case fails.
"""

import binascii
import collections
import importlib.abc
import importlib.util
import json
import os
import sys
import time
import types
import warnings

warnings.filterwarnings("ignore")
from lib2to3 import refactor  # noqa: E402

import txaio  # noqa: E402

txaio.use_twisted()
import autobahn.websocket.protocol as proto  # noqa: E402
from autobahn.twisted.websocket import WebSocketClientFactory, connectWS  # noqa: E402
from autobahn.twisted.websocket import WebSocketClientProtocol as Protocol  # noqa: E402
from autobahn.websocket.utf8validator import Utf8Validator  # noqa: E402
from twisted.internet import reactor  # noqa: E402

BASE = importlib.util.find_spec("autobahntestsuite").submodule_search_locations[0]
FIXERS = [
    name
    for name in refactor.get_fixers_from_package("lib2to3.fixes")
    if not name.endswith(("_import", "_unicode"))
]
TOOL = refactor.RefactoringTool(FIXERS)
SUBSTITUTES = (
    ("import binascii", "from py2shim import binascii"),
    ("pkg_resources, hashlib, binascii", "hashlib"),
    ("import copy, os, hashlib", "import copy, os, hashlib\nfrom py2shim import binascii, pkg_resources"),
    (
        "import copy, os, pkg_resources, hashlib, binascii",
        "import copy, os, hashlib\nfrom py2shim import binascii, pkg_resources",
    ),
    ("(object, Case, )", "(Case, )"),
    ("from zope.interface import implements", "implements = lambda *a: None"),
    ("len(self.payload) / self.p.autoFragmentSize", "len(self.payload) // self.p.autoFragmentSize"),
    ("from autobahn.websocket.utf8validator import Utf8Validator", "from py2shim import Utf8Validator"),
    ("coding=utf-8", ""),
    ("coding: utf-8", ""),
)


def raw(value):
    return value.encode("latin-1") if isinstance(value, str) else bytes(value)


def text(value):
    return value.decode("latin-1") if isinstance(value, bytes | bytearray) else value


def hexed(value):
    return binascii.b2a_hex(raw(value)).decode()


class Validator(Utf8Validator):
    def validate(self, value):
        return Utf8Validator.validate(self, raw(value))


shim = sys.modules["py2shim"] = types.ModuleType("py2shim")
shim.binascii = types.SimpleNamespace(b2a_hex=hexed, hexlify=hexed)
shim.pkg_resources = types.SimpleNamespace(resource_filename=lambda _package, path: os.path.join(BASE, path))
shim.Utf8Validator = Validator


def load(path, namespace):
    """Run one Python 2 source of the package as Python 3."""
    with open(path, encoding="latin-1") as file:
        source = str(TOOL.refactor_string(file.read().rstrip("\n") + "\n", path))
    for old, new in SUBSTITUTES:
        source = source.replace(old, new)
    exec(compile(source, path, "exec"), namespace)


class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, name, path=None, target=None):
        for place in (os.path.join(BASE, "case", name + ".py"), os.path.join(BASE, name + ".py")):
            if name.startswith("case") and os.path.exists(place):
                return importlib.util.spec_from_loader(name, self, origin=place)
        return None

    def exec_module(self, module):
        load(module.__spec__.origin, module.__dict__)


class Masker:
    """XOR of whole integers: fast enough for messages of 16 MiB."""

    def __init__(self, mask):
        self.mask, self.at = bytes(mask), 0

    def pointer(self):
        return self.at

    def reset(self):
        self.at = 0

    def process(self, data):
        size, turn = len(data), self.at & 3
        self.at += size
        pad = ((self.mask[turn:] + self.mask[:turn]) * (size // 4 + 1))[:size]
        return (int.from_bytes(data, "little") ^ int.from_bytes(pad, "little")).to_bytes(size, "little")


proto.createXorMasker = lambda mask, length=None: Masker(mask)
sys.meta_path.insert(0, Finder())
from case import Case  # noqa: E402


def plain(value):
    return [plain(one) for one in value] if isinstance(value, list | tuple) else text(value)


Case.compare = lambda self, one, other: plain(one) == plain(other)
table = types.ModuleType("case_table")
load(os.path.join(BASE, "case", "__init__.py"), table.__dict__)
from caseset import CaseSet  # noqa: E402

CASES = CaseSet(
    table.CaseSetname, table.CaseBasename, table.Cases, table.CaseCategories, table.CaseSubCategories
)


class Peer(Protocol):
    """The client a case plays; the names are those the cases use."""

    def connectionMade(self):  # noqa: N802
        self.connectionWasOpen, self.createWirelog = None, False
        self.txFrameStats, self.rxFrameStats = collections.Counter(), collections.Counter()
        Protocol.connectionMade(self)

    def enableWirelog(self, on):  # noqa: N802
        pass

    def logRxOctets(self, *_):  # noqa: N802
        pass

    def logTxOctets(self, *_):  # noqa: N802
        pass

    def logTxFrame(self, header, *_):  # noqa: N802
        self.txFrameStats[header.opcode] += 1

    def logRxFrame(self, header, *_):  # noqa: N802
        self.rxFrameStats[header.opcode] += 1

    def continueLater(self, delay, run, tag=None):  # noqa: N802
        reactor.callLater(delay, lambda: self.state == self.STATE_CLOSED or run())

    def killAfter(self, delay):  # noqa: N802
        self.continueLater(delay, self.failConnection)

    def closeAfter(self, delay):  # noqa: N802
        self.continueLater(delay, self.sendClose)

    def sendFrame(self, opcode, payload=b"", payload_len=None, **options):  # noqa: N802
        payload = raw(payload)
        if payload_len is not None:
            payload = (payload * (payload_len // len(payload) + 1))[:payload_len]
        Protocol.sendFrame(self, opcode, payload, **options)

    def sendMessage(self, payload, *rest, **options):  # noqa: N802
        Protocol.sendMessage(self, raw(payload), *rest, **options)

    def sendMessageFrameData(self, payload, *rest, **options):  # noqa: N802
        return Protocol.sendMessageFrameData(self, raw(payload), *rest, **options)

    def sendCloseFrame(self, code=None, reasonUtf8=None, isReply=False):  # noqa: N802, N803
        reason = None if reasonUtf8 is None else raw(reasonUtf8)
        Protocol.sendCloseFrame(self, code=code, reasonUtf8=reason, isReply=isReply)

    def onConnect(self, response):  # noqa: N802
        pass

    def onOpen(self):  # noqa: N802
        self.connectionWasOpen = True
        self.case.onOpen()

    def onMessage(self, message, binary):  # noqa: N802
        self.case.onMessage(text(message), binary)

    def onPong(self, message):  # noqa: N802
        self.case.onPong(text(message))

    def onClose(self, *facts):  # noqa: N802
        self.case.onClose(*facts)

    def connectionLost(self, reason):  # noqa: N802
        Protocol.connectionLost(self, reason)
        self.case.onConnectionLost(self.failedByMe)
        self.factory.results[self.number] = {
            "behavior": self.case.behavior,
            "close": self.case.behaviorClose,
            "code": self.remoteCloseCode,
            "why": [str(self.case.result)[:120], self.case.resultClose],
        }


class Driver(WebSocketClientFactory):
    """One case after another, each on a connection of its own."""

    noisy = False

    def buildProtocol(self, _address):  # noqa: N802
        peer = Peer()
        peer.factory, peer.number = self, self.current
        peer.case = peer.runCase = CASES.CasesById[self.current](peer)
        return peer

    def step(self, connector=None, *_):
        if not self.waiting:
            reactor.stop()
            return
        self.current = self.waiting.pop(0)
        if connector is None:
            connectWS(self)
        else:
            connector.connect()

    clientConnectionLost = step  # noqa: N815

    def clientConnectionFailed(self, connector, _reason):  # noqa: N802
        self.results[self.current] = {"behavior": "CONNECT FAILED", "close": "-"}
        self.step(connector)


def passed(result):
    return result["behavior"] in ("OK", "NON-STRICT", "INFORMATIONAL") and result["close"] in (
        "OK",
        "INFORMATIONAL",
    )


def main(url, patterns, report):
    driver = Driver(url, debug=False)
    driver.logFrames, driver.results = True, {}
    driver.setProtocolOptions(failByDrop=False, utf8validateIncoming=False)
    driver.waiting = CASES.parseSpecCases({"cases": patterns.split(",")})
    asked, started = len(driver.waiting), time.monotonic()
    driver.step()
    reactor.run()
    failed = {number: result for number, result in driver.results.items() if not passed(result)}
    summary = {
        "asked": asked,
        "passed": len(driver.results) - len(failed),
        "seconds": round(time.monotonic() - started, 1),
        "failed": failed,
    }
    with open(report, "w", encoding="utf-8") as file:
        json.dump(summary, file, indent=1)
    return 1 if summary["passed"] < asked else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:4]))
