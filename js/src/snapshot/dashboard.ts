/** The dashboard in a static page. */

import widget from "../dashboard";
import { boot } from "./host";

boot(widget.render);
