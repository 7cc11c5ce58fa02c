// Where the page begins.

import { render } from "preact";
import { takeKeyFromAddress } from "./api/client";
import { App } from "./app";
import "./style/monitor.css";

takeKeyFromAddress();
render(<App />, document.getElementById("app") as HTMLElement);
