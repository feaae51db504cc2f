// Adds the reader's own local time beside a time that is stated in the discussion's zone.
for (const place of document.querySelectorAll("[data-reader-time]")) {
  const language = document.documentElement.lang;
  const starts = new Date(place.dataset.starts);
  const ends = new Date(place.dataset.ends);
  const format = new Intl.DateTimeFormat(language, {
    weekday: "long", day: "numeric", month: "long", hour: "2-digit", minute: "2-digit",
    hourCycle: "h23", timeZoneName: "shortOffset",
  });
  place.textContent = place.dataset.readerTime.replace("{time}", format.formatRange(starts, ends));
  place.hidden = false;
}
