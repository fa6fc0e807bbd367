const { getDefaultConfig } = require('expo/metro-config');

const config = getDefaultConfig(__dirname);
// Two workers bundle the app in half a gigabyte; one for every core would take several.
config.maxWorkers = 2;
module.exports = config;
