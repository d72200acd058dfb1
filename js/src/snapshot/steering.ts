/** The steering panel in a static page. */

import widget from "../steering";
import { boot } from "./host";

boot(widget.render);
