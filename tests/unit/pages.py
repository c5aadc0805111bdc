"""What a finished page must be, whatever it is of: what it holds, and what a browser sees of it."""

import html.parser
import re
from collections import Counter

VOID = {"meta", "link", "br", "img", "input", "hr"}
ATTACK = "<script>alert(1)</script>\"'&"

# In a browser: labels of pictures that are cut off, or lie over another.
OVERLAPS = """
(() => {
  const found = [];
  for (const svg of document.querySelectorAll("figure svg")) {
    const frame = svg.getBoundingClientRect();
    const boxes = [...svg.querySelectorAll("text")].map(text => [text.textContent, text.getBoundingClientRect()]);
    for (const [words, box] of boxes)
      if (Math.max(frame.left - box.left, box.right - frame.right, frame.top - box.top, box.bottom - frame.bottom) > 1)
        found.push(`${svg.parentElement.ariaLabel}: ${words} is cut off`);
    boxes.forEach(([words, a], n) => boxes.slice(n + 1).forEach(([others, b]) => {
      const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
      const high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
      if (wide > 0.5 && high > 2) found.push(`${svg.parentElement.ariaLabel}: ${words} over ${others}`);
    }));
  }
  return found;
})()
"""


class Page(html.parser.HTMLParser):
    """What a page holds: its elements, ids, texts and everything that it refers to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: Counter[str] = Counter()
        self.ids: list[str] = []
        self.references: list[str] = []
        self.words = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements[tag] += 1
        if tag not in VOID:
            self.open.append(tag)
        for key, value in attrs:
            if key == "id":
                self.ids.append(value)
            elif key in {"src", "href", "xlink:href", "srcset", "action", "data", "poster"}:
                self.references.append(value)
            else:
                assert not key.startswith("on"), key
                self.references += re.findall(r"url\(([^)]*)\)", value or "")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.words += data
        else:
            assert "url(" not in data
            assert "@import" not in data
