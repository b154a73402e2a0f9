// Markup as tagged templates; every value in it is escaped by preact.

import htm from "../vendor/htm/htm.module.js";
import { h } from "../vendor/preact/preact.module.js";

export const html = htm.bind(h);
