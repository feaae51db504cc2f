// Adds the reader's own local time beside a time that is stated in the discussion's zone.
const page = document.documentElement.lang;
const format = new Intl.DateTimeFormat(page === "en" ? "en-GB" : page, {
  weekday: "long", day: "numeric", month: "long", hour: "2-digit", minute: "2-digit",
  hourCycle: "h23", timeZoneName: "longOffset",
});
for (const place of document.querySelectorAll("[data-reader-time]")) {
  const starts = format.format(new Date(place.dataset.starts));
  const ends = format.format(new Date(place.dataset.ends));
  place.textContent = place.dataset.readerTime.replace("{time}", `${starts} \u2013 ${ends}`);
  place.hidden = false;
}
