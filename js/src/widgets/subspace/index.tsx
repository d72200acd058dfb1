/** FeatureSubspace's front-end (kernel side: src/saewidgets/widgets/subspace/widget.py). */

import { widget } from "../../page/mount";
import { App } from "./app";
import { offline } from "./offline";

export default widget("subspace", App, offline);
