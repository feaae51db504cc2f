// Offers to state times in letters in the reader's own zone, too.
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
for (const place of document.querySelectorAll("[data-reader-zone][hidden]")) {
  if (!zone || !zone.includes("/")) break;
  place.querySelector("input").value = zone;
  place.querySelector("[data-zone-name]").textContent = zone;
  place.hidden = false;
}
