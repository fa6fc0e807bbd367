import '@expo/metro-runtime';
import './src/randomness';
import { registerRootComponent } from 'expo';
import { App } from './src/App';

registerRootComponent(App);
