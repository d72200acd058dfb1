/**
 * What JSX becomes in the bundles (js/build.mjs): createElement takes two kilobytes less than the automatic runtime's
 * calls. Under names that no variable has, since a local one would be called instead.
 */

export { createElement as jsxElement, Fragment as jsxFragment } from "preact";
