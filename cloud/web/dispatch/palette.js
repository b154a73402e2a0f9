// Colours: one for each van, and one for each group of orders. Told apart by names and shapes too.

const VANS = [
  "#1769aa", "#c2410c", "#2e7d32", "#7b3fa0", "#b8860b", "#c2185b",
  "#00796b", "#5d4037", "#4056c8", "#6b8e23", "#a03a3a", "#0097a7",
];

/** The colour of a van that is `index`th in the fleet. */
export function vanColour(index) {
  return VANS[index % VANS.length];
}

/** How many colours there are before they come again. */
export const VAN_COLOURS = VANS;

/** The colour of an order's dot; urgent only while it is still to be delivered. */
export const ORDER_COLOURS = {
  todo: "#6a7f8c",
  under_way: "#2563c9",
  done: "#3d9a68",
  trouble: "#c62828",
  unserved: "#d9480f",
  urgent: "#8e24aa",
};
