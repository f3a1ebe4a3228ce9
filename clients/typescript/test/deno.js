// Runs all scenarios in Deno: deno run test/deno.js URL APIKEY PROTOCOL.

import { run } from './scenarios.js';

console.log((await run(...Deno.args)).length);
