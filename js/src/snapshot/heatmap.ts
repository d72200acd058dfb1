/** The heatmap in a static page. */

import widget from "../heatmap";
import { boot } from "./host";

boot(widget.render);
